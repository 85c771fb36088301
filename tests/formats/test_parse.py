"""Names: what prints parses, and what does not parse says so in one sentence."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyqkit.errors import UserError
from pyqkit.formats import FormatError, Integer, LogPosit, Microscaled, Minifloat, OddLevels, examples, parse


def test_every_example_prints_as_it_parses() -> None:
    found = examples()
    for fmt in found:
        assert parse(fmt.name) == fmt == parse(str(fmt))
    assert len({fmt.name for fmt in found}) == len(found) == len(set(found))


@given(
    st.one_of(
        st.builds(Integer, st.integers(2, 64), st.booleans(), st.booleans(), st.integers(-300, 300)),
        st.builds(OddLevels, st.integers(1, 8)),
        st.builds(
            lambda n, es, rs, sf: LogPosit(n, es, min(rs, n - 1), sf),
            st.integers(2, 8),
            st.integers(0, 5),
            st.integers(1, 7),
            st.floats(-64, 64, allow_subnormal=False),
        ),
        st.builds(lambda e, m, s: Minifloat(e, m, s), st.integers(2, 4), st.integers(1, 3), st.booleans()),
        st.builds(
            Microscaled,
            st.sampled_from(
                [parse(n) for n in ("e2m1", "int8", "lp4_0_3@-0.5", "ue3m2", "uint4z3", "e4m3fn")]
            ),
            st.integers(1, 256),
            st.sampled_from(["floor", "ceil", "even", "mse"]),
        ),
    )
)
def test_round_trip(fmt: object) -> None:
    assert parse(str(fmt)) == fmt


def test_the_names_of_the_documentation() -> None:
    assert parse("int4") == Integer(4)
    assert parse("uint2") == Integer(2, signed=False)
    assert parse("int8narrow") == Integer(8, narrow=True)
    assert parse("uint8z128") == Integer(8, signed=False, zero_point=128)
    assert parse("e2m1") == Minifloat(2, 1)
    assert parse("ue3m2") == Minifloat(3, 2, signed=False)
    assert parse("e4m3fn") == Minifloat(4, 3, variant="fn")
    assert parse("e5m2ieee") == Minifloat(5, 2, variant="ieee")
    assert parse("lp8_1_3@-0.25") == LogPosit(8, 1, 3, -0.25)
    assert parse("odd2") == OddLevels(2)
    assert parse("mx32_e2m1") == Microscaled(Minifloat(2, 1), 32, "floor")
    assert parse("mx128_int2_mse") == Microscaled(Integer(2), 128, "mse")
    assert parse("mx16_lp4_0_3_even") == Microscaled(LogPosit(4, 0, 3), 16, "even")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("e2n1", "a format name was expected, but 'e2n1' is none; did you mean 'e2m1'?"),
        ("E4M3", "a format name was expected, but 'E4M3' is none; did you mean 'e4m3'?"),
        ("int 8", "a format name was expected, but 'int 8' is none; did you mean 'int8'?"),
        ("lp8-1-3", "a format name was expected, but 'lp8-1-3' is none; did you mean 'lp8_1_3'?"),
        ("???", "a format name was expected, but '???' is none; see 'pyqkit formats' for the names"),
        ("", "a format name was expected, but '' is none; see 'pyqkit formats' for the names"),
        ("mx32_e2n1", "a format name was expected, but 'e2n1' is none; did you mean 'e2m1'?"),
        ("e2m1 ", "a format name was expected, but 'e2m1 ' is none; did you mean 'e2m1'?"),
        ("xe2m1", "a format name was expected, but 'xe2m1' is none; did you mean 'e2m1'?"),
    ],
)
def test_unknown_names_suggest_the_nearest(name: str, sentence: str) -> None:
    with pytest.raises(FormatError) as raised:
        parse(name)
    assert str(raised.value) == sentence
    assert isinstance(raised.value, UserError)


@pytest.mark.parametrize("name", [None, 4, ("e2m1",)])
def test_what_is_not_a_name(name: object) -> None:
    with pytest.raises(
        FormatError,
        match=f"the name of a format was expected, such as 'e2m1', but a {type(name).__name__} came",
    ):
        parse(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["9" * 65, "int" + "1" * 5000, "mx" * 50_000, "int\uff14"])
def test_names_that_are_long_or_no_ascii(name: str) -> None:
    with pytest.raises(FormatError) as raised:
        parse(name)
    assert str(raised.value).startswith("a format name of up to 64 ASCII characters was expected, but '")
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize("name", ["mx0_int4", "mx65537_int4", "mx32_int64", "mx32_mx32_int4"])
def test_blocks_and_their_elements_have_limits(name: str) -> None:
    with pytest.raises(
        FormatError,
        match=r"^(a block of 1 to 65536 elements|an element format with a zero and up to 16 bits) ",
    ):
        parse(name)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("fp4", "e2m1"),
        ("float8_e4m3fn", "e4m3fn"),
        ("torch.float8_e5m2", "e5m2ieee"),
        ("mxfp4", "mx32_e2m1"),
        ("MXFP8_E4M3", "mx32_e4m3fn"),
        ("mxint8", "mx32_int8"),
        ("bipolar", "odd1"),
        ("ternary", "int2narrow"),
        ("qint8", "int8"),
    ],
)
def test_names_that_others_have_for_the_same_format(theirs: str, ours: str) -> None:
    assert parse(theirs) == parse(ours)
    assert parse(theirs).name == ours


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "fp8",
            "'fp8' is one of two formats; take 'e4m3fn' or 'e5m2ieee' (OCP), or 'e4m3', which has no NaN",
        ),
        ("fp6", "'fp6' is one of two formats; take 'e2m3' or 'e3m2'"),
        ("mxfp6", "'mxfp6' is one of two formats; take 'mx32_e2m3' or 'mx32_e3m2'"),
        ("bfloat16", "has more than 8 bits"),
        ("torch.float16", "'int16' by bits"),
        ("nf4", "is a table of quantiles of the normal distribution"),
        ("float8_e4m3fnuz", "the nearest is 'e4m3'"),
        ("posit8", "the nearest is 'lp8_2_7'"),
    ],
)
def test_names_of_formats_that_are_none_of_ours(name: str, message: str) -> None:
    with pytest.raises(FormatError, match="a format name was expected, but ") as raised:
        parse(name)
    assert message in str(raised.value)


def test_everything_that_is_advised_exists() -> None:
    for family in {type(fmt) for fmt in examples()}:
        for ours in family.aliases.values():
            assert parse(ours).name == ours and isinstance(parse(ours), family)
        for sentence in family.elsewhere.values():
            names = re.findall(r"'([^']+)'", sentence)
            assert names and all(parse(name).name == name for name in names)
