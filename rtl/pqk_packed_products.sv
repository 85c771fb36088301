// Sums of products that share DSPs: an activation times the weights of two PE, or two activations times both. What shares a port
// stands FIELD bits apart, or twice that, and so do the products and their sums in the result: each in a field of its own, from the
// lowest PE 0 of pixel 0, of pixel 1, PE 1 of pixel 0, of pixel 1.
//
// LENGTH lanes are summed in a column of DSPs before they are unpacked, as many as a field may hold. A negative field would borrow
// from the one above: half a field is added to each but the highest, which is taken off by turning its top bit.
//
// Weights come as both parts of a packed word, [lane of a column][pair of PE][column], LOW bits and then HIGH above them: the
// first PE's weight, and the second's, less one if the first's is negative. As every DSP of a column works a step after the one
// before it, the weights of GROUP lanes of all columns come together, those of the next GROUP lanes GROUP steps later: memories of
// weights are read so, which takes no registers for the words of all. Of activations all lanes come at once.
`default_nettype none
module pqk_packed_products #(
    parameter int BITS = 4,  // of an activation's code
    parameter int WIDTH = 5,  // of its signed integer, which pqk_decode makes
    parameter bit SIGNED = 1,
    parameter int ZERO_POINT = 0,
    parameter bit TABLE = 0,
    parameter INTEGERS = "",
    parameter int LOW = 4,
    parameter int HIGH = 5,
    parameter int FIELD = 20,
    parameter int LEAST = -128,  // smallest and largest product
    parameter int MOST = 128,
    parameter int PIXELS = 1,
    parameter int PE = 2,
    parameter int SIMD = 4,
    parameter int LENGTH = SIMD,
    parameter int GROUP = 2,
    parameter int W = 10,  // bits of a sum of LENGTH products
    localparam int COLUMNS = SIMD / LENGTH,
    localparam int PAIR = LOW + HIGH
) (
    input  wire                               clock,
    input  wire                               enable,
    input  wire  [      SIMD*PIXELS*BITS-1:0] left,  // [lane][pixel]
    input  wire  [        PE/2*SIMD*PAIR-1:0] right,
    output logic [PIXELS*PE*COLUMNS*W-1:0] sums  // [pixel][PE][column], LENGTH + 2 steps after `left`
);
  localparam int HALF = 1 << (FIELD - 1);
  localparam int FIELDS = 2 * PIXELS;
  localparam int P = 48;  // bits of a DSP's sum
  if (PE % 2 != 0 || SIMD % LENGTH != 0 || GROUP < 1) begin : g_illegal
    $error("an even number of PE and lanes in whole columns were expected: PE, SIMD, LENGTH");
  end
  if (LENGTH * MOST >= HALF || LENGTH * LEAST < -HALF || W > FIELD || FIELDS * FIELD > P) begin : g_illegal_sum
    $error("sums that fit a field were expected: as many lanes of a column as it may hold: LENGTH, FIELD, LEAST, MOST");
  end

  localparam int A = PIXELS * FIELD + HIGH;
  localparam int B = PIXELS == 1 ? WIDTH : 18;
  // Half a field in each but the highest.
  function automatic longint halves();
    halves = 0;
    for (int i = 0; i < FIELDS - 1; i++) halves |= 64'd1 << (i * FIELD + FIELD - 1);
  endfunction

  wire [SIMD*B-1:0] activations;  // [column][lane], as those of all pairs
  for (genvar column = 0; column < COLUMNS; column++) begin : g_activations
    for (genvar lane = 0; lane < LENGTH; lane++) begin : g_lane
      wire [PIXELS*WIDTH-1:0] decoded;
      for (genvar pixel = 0; pixel < PIXELS; pixel++) begin : g_pixel
        wire [BITS-1:0] code;
        pqk_delay #(
            .WIDTH (BITS),
            .STAGES(lane)
        ) skew (
            .clock,
            .enable,
            .d(left[((column*LENGTH+lane)*PIXELS+pixel)*BITS+:BITS]),
            .q(code)
        );
        pqk_decode #(
            .BITS(BITS),
            .WIDTH(WIDTH),
            .SIGNED(SIGNED),
            .ZERO_POINT(ZERO_POINT),
            .TABLE(TABLE),
            .FILE(INTEGERS)
        ) decoder (
            .code,
            .integer_value(decoded[pixel*WIDTH+:WIDTH])
        );
      end
      wire signed [WIDTH-1:0] first = decoded[0+:WIDTH];
      wire signed [WIDTH-1:0] last = decoded[(PIXELS-1)*WIDTH+:WIDTH];
      wire [B-1:0] together = PIXELS == 1 ? B'(first) : B'(first) + (B'(last) << FIELD);
      assign activations[(column*LENGTH+lane)*B+:B] = together;
    end
  end

  for (genvar pair = 0; pair < PE / 2; pair++) begin : g_pair
    for (genvar column = 0; column < COLUMNS; column++) begin : g_column
      wire [LENGTH*A-1:0] weights;
      for (genvar lane = 0; lane < LENGTH; lane++) begin : g_lane
        wire [PAIR-1:0] parts;
        pqk_delay #(
            .WIDTH (PAIR),
            .STAGES(lane % GROUP)
        ) skew (
            .clock,
            .enable,
            .d(right[((lane*PE/2+pair)*COLUMNS+column)*PAIR+:PAIR]),
            .q(parts)
        );
        wire signed [LOW-1:0] low = parts[0+:LOW];
        assign weights[lane*A+:A] = {parts[LOW+:HIGH], (PIXELS * FIELD)'(low)};
      end
      wire [P-1:0] total;
      pqk_multiply_cascade #(
          .LENGTH(LENGTH),
          .A(A),
          .B(B),
          .P(P),
          .OFFSET(halves())
      ) cascade (
          .clock,
          .enable,
          .a(weights),
          .b(activations[column*LENGTH*B+:LENGTH*B]),
          .p(total)
      );
      for (genvar field = 0; field < FIELDS; field++) begin : g_field
        localparam int PLACE = (field % PIXELS * PE + 2 * pair + field / PIXELS) * COLUMNS + column;
        // A sum as wide as its field has the top bit that is turned.
        localparam bit TURNED = W == FIELD && field != FIELDS - 1;
        assign sums[PLACE*W+:W] = total[field*FIELD+:W] ^ {TURNED, {(W - 1) {1'b0}}};
      end
      wire unused = &total;
    end
  end
endmodule
`default_nettype wire
