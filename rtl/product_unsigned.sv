// p = a * b of two unsigned integers: as many LUTs as bits of p where a and b are six bits together, else Booth rows.
module product_unsigned #(
    parameter int A = 3,
    parameter int B = 3
) (
    input  logic [  A-1:0] a,
    input  logic [  B-1:0] b,
    output logic [A+B-1:0] p
);
  if (A + B <= 6) begin : g_table
    always_comb begin
      p = '0;
      for (int i = 1; i < 2 ** A; i++) for (int j = 1; j < 2 ** B; j++) if (a == A'(i) && b == B'(j)) p = (A + B)'(i * j);
    end
  end else begin : g_rows
    product_booth #(.A(A), .A_SIGNED(0), .B(B), .B_SIGNED(0)) multiplier (.a, .b, .p);
  end
endmodule
