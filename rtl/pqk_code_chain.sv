// Sum of numbers that pairs of narrow codes stand for: entry {left, right} of TABLE, U bits each, entry 0 lowest; lane after lane.
//
// A carry chain adds a lane: its LUTs look the number up and add it in one, for there are U bits of the sum and never more. What
// runs over is counted at the end, by LUTs that take all carries at once. So a lane costs U LUTs, whatever the sum comes to.
//
// STEP lanes are added between registers: `left` and `right` of lane i come i / STEP steps after those of lane 0.
`default_nettype none
module pqk_code_chain #(
    parameter int A = 2,
    parameter int B = 2,
    parameter int U = 4,
    parameter bit [(U << (A + B))-1:0] TABLE = '0,
    parameter int MOST = 9,  // largest entry
    parameter int LENGTH = 7,
    parameter int STEP = 2,
    parameter int STEPS = (LENGTH + STEP - 1) / STEP,
    localparam int S = $clog2(MOST * LENGTH + 1)
) (
    input  wire                 clock,
    input  wire                 enable,
    input  wire  [LENGTH*A-1:0] left,
    input  wire  [LENGTH*B-1:0] right,
    output logic [       S-1:0] sum  // STEPS + 1 steps after lane 0
);
  localparam int CARRIES = LENGTH > 1 ? LENGTH - 1 : 1;
  localparam int C = S > U ? S - U : 1;  // bits of their number
  localparam int LATE = STEPS - (LENGTH + STEP - 1) / STEP;
  function automatic bit [(C<<CARRIES)-1:0] counts();
    for (int i = 0; i < 1 << CARRIES; i++) begin
      int ones;
      ones = 0;
      for (int j = 0; j < CARRIES; j++) ones += i >> j & 1;
      counts[i*C+:C] = C'(ones);
    end
  endfunction

  wire [CARRIES-1:0] carries;
  for (genvar i = 0; i < LENGTH; i++) begin : g_lane
    localparam bit HELD = i % STEP == STEP - 1 || i == LENGTH - 1;
    localparam int WAITS = STEPS - i / STEP;  // steps from the carry to the end
    wire [U-1:0] entry, total, x;
    pqk_table #(
        .BITS (A + B),
        .WIDTH(U),
        .TABLE(TABLE)
    ) numbers (
        .clock,
        .enable,
        .index({left[i*A+:A], right[i*B+:B]}),
        .entry
    );
    if (i == 0) begin : g_first
      assign total = entry;
    end else begin : g_add
      wire carry;
      pqk_add_subtract #(.W(U + 1)) add (
          .x({1'b0, g_lane[i-1].x}), .y({1'b0, entry}), .negate(1'b0), .sum({carry, total})
      );
      pqk_delay #(.WIDTH(1), .STAGES(WAITS)) wait_carry (.clock, .enable, .d(carry), .q(carries[i-1]));
    end
    pqk_delay #(.WIDTH(U), .STAGES(HELD ? 1 : 0)) hold (.clock, .enable, .d(total), .q(x));
  end

  pqk_delay #(.WIDTH(U), .STAGES(1 + LATE)) behind (.clock, .enable, .d(g_lane[LENGTH-1].x), .q(sum[U-1:0]));
  if (S > U) begin : g_count
    wire [C-1:0] count;
    pqk_table #(
        .BITS (CARRIES),
        .WIDTH(C),
        .TABLE(counts())
    ) ones (
        .clock,
        .enable,
        .index(carries),
        .entry(count)
    );
    pqk_delay #(.WIDTH(C), .STAGES(1)) hold_count (.clock, .enable, .d(count), .q(sum[S-1:U]));
  end else begin : g_no_count
    wire unused = &carries;
  end

  if (LENGTH < 1 || STEP < 1 || LATE < 0 || MOST >> U != 0) begin : g_illegal
    $error("lanes, with numbers of U bits and steps for all of them, were expected: LENGTH, STEP, STEPS, MOST");
  end
endmodule
`default_nettype wire
