// Processing element of the family integer: four products of digits (three bits, signed), weights that stand still times an
// activation's, as one sum that is added to that of the element above. Digit i of a number is worth 4**i; which digit of which number
// a product gets is chosen at the edges, and `mode` says what the products are worth:
//
//     sum_in + (p0 + (p1 << 2 * mode[0])) + ((p2 + (p3 << 2 * mode[0])) << 2 * mode[2:1])
//
// Two weights a bank, as in pqk_array_lp_element. What it adds comes four cycles after the activation.
`default_nettype none
module pqk_array_integer_element #(
    parameter int SUM = 18,
    localparam int DIGIT = 3,
    localparam int PRODUCTS = 4
) (
    input  wire                      clock,
    input  wire [               2:0] mode,
    input  wire                      write,
    input  wire                      swap,
    input  wire [DIGIT*PRODUCTS-1:0] weight,
    input  wire [DIGIT*PRODUCTS-1:0] activation,
    input  wire signed [    SUM-1:0] sum_in,
    output logic signed [   SUM-1:0] sum
);
  logic [DIGIT*PRODUCTS-1:0] next, weights;
  always_ff @(posedge clock) begin
    if (write) next <= weight;
    if (swap) weights <= next;
  end

  logic signed [5:0] product[PRODUCTS];  // -12 to 16
  for (genvar i = 0; i < PRODUCTS; i++) begin : g_product
    wire signed [2:0] w = weights[DIGIT*i+:DIGIT], a = activation[DIGIT*i+:DIGIT];
    always_ff @(posedge clock) product[i] <= 6'(w) * 6'(a);
  end

  logic signed [8:0] low, high;  // -60 to 80
  logic signed [11:0] terms;  // -1020 to 1360
  always_ff @(posedge clock) begin
    low  <= 9'(product[0]) + (mode[0] ? 9'(product[1]) <<< 2 : 9'(product[1]));
    high <= 9'(product[2]) + (mode[0] ? 9'(product[3]) <<< 2 : 9'(product[3]));
    terms <= 12'(low) + (mode[2] ? 12'(high) <<< 4 : mode[1] ? 12'(high) <<< 2 : 12'(high));
    sum <= sum_in + SUM'(terms);
  end
endmodule
`default_nettype wire
