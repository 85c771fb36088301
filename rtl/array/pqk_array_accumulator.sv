// Sums of a column, in two banks: one is added to, the other can be read at the same time.
//
// What is added comes SEGMENTS segments at a time, which become lanes: with `quarters` each segment is a lane of LANE bits, without,
// the segments of a half are one lane, whose upper part is the odd lane and whose lower part are the lowest SEGMENT bits of the
// even one. A sum is read two cycles before its term comes, and written a cycle after it.
`default_nettype none
module pqk_array_accumulator #(
    parameter int SEGMENTS = 4,
    parameter int SEGMENT = 28,
    parameter int LANE = 33,
    parameter bit SHIFTS = 0,  // terms of one segment may count 16 or 256 times
    parameter int DEPTH = 512,
    parameter MEMORY = "block",
    localparam int WIDTH = SEGMENTS * LANE,
    localparam int ADDRESS = $clog2(DEPTH)
) (
    input  wire                         clock,
    input  wire                         quarters,
    input  wire                         bank,  // that is added to
    input  wire                         read,  // two cycles ahead of the term
    input  wire [          ADDRESS-1:0] address,
    input  wire                         valid,  // a term
    input  wire                         replace,
    input  wire [                  1:0] shift,  // four bits each
    input  wire [          ADDRESS-1:0] place,
    input  wire [SEGMENTS*SEGMENT-1:0]  term,
    input  wire [          ADDRESS-1:0] other_address,  // of what is read beside, in any bank that is not added to
    output logic [         2*WIDTH-1:0] sums  // of both banks, two cycles after the address
);
  logic write;
  logic [ADDRESS-1:0] write_address;
  logic [WIDTH-1:0] total;
  for (genvar b = 0; b < 2; b++) begin : g_bank
    wire mine = bank == 1'(b);
    wire [WIDTH-1:0] found;
    pqk_array_memory #(.WIDTH(WIDTH), .DEPTH(DEPTH), .MEMORY(MEMORY)) memory (
        .clock, .write(write && mine), .write_address, .write_data(total), .read(1'b1),
        .address(read && mine ? address : other_address), .data(found)
    );
    always_ff @(posedge clock) sums[b*WIDTH+:WIDTH] <= found;
  end
  wire [WIDTH-1:0] old = (bank ? sums[WIDTH+:WIDTH] : sums[0+:WIDTH]) & {WIDTH{!replace}};
  always_ff @(posedge clock) begin
    write <= valid;
    write_address <= place;
  end

  if (SEGMENTS > 2) begin : g_halves
    for (genvar half = 0; half < SEGMENTS / 2; half++) begin : g_half
      localparam int EVEN = 2 * half, ODD = 2 * half + 1;
      wire signed [SEGMENT-1:0] low = term[EVEN*SEGMENT+:SEGMENT], high = term[ODD*SEGMENT+:SEGMENT];
      // The place between both parts passes the carry on, or keeps it for what lies above the lower part.
      wire [LANE+SEGMENT:0] both = {LANE'(high), !quarters, low} + {old[ODD*LANE+:LANE], 1'b0, old[EVEN*LANE+:SEGMENT]};
      wire [LANE-SEGMENT-1:0] above = old[EVEN*LANE+SEGMENT+:LANE-SEGMENT] + {(LANE - SEGMENT) {low[SEGMENT-1]}}
          + (LANE - SEGMENT)'(both[SEGMENT]);
      always_ff @(posedge clock) begin
        total[EVEN*LANE+:LANE] <= {above, both[SEGMENT-1:0]};
        total[ODD*LANE+:LANE]  <= both[SEGMENT+1+:LANE];
      end
    end
    wire unused = &shift;
  end else begin : g_lanes
    for (genvar s = 0; s < SEGMENTS; s++) begin : g_lane
      wire signed [SEGMENT-1:0] once = term[s*SEGMENT+:SEGMENT];
      wire [LANE-1:0] added = !SHIFTS || shift == 0 ? LANE'(once) : shift[0] ? LANE'(once) << 4 : LANE'(once) << 8;
      always_ff @(posedge clock) total[s*LANE+:LANE] <= old[s*LANE+:LANE] + added;
    end
    wire unused = &{quarters, shift};
  end
endmodule
`default_nettype wire
