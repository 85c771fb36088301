"""How each operator is written in C++; a new file here is found by its ``@emits`` decorator."""
