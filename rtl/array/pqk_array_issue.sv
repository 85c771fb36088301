// Takes instructions from the stream or from the program and starts them, in order, each when its own unit and those that it waits for
// are idle. From the stream come LOAD and REPEAT, in the lowest HEAD bits of a word; REPEAT runs the program up to its END, as many
// times as it says.
`default_nettype none
module pqk_array_issue #(
    parameter int UNITS = 4,
    parameter int WORD = 256,  // bits of an instruction
    parameter int HEAD = 64,
    parameter int STREAM = 64,
    parameter int PROGRAM = 11,  // bits of an address
    parameter int COUNT = 21,
    localparam int PARTS = WORD / STREAM,
    localparam int PART = PARTS > 1 ? $clog2(PARTS) : 1
) (
    input  wire                clock,
    input  wire                reset,
    input  wire                in_valid,
    output logic               in_ready,
    input  wire  [ STREAM-1:0] in_data,
    output logic [PROGRAM-1:0] read_address,
    input  wire  [   WORD-1:0] read_data,  // a cycle after its address
    output logic [   WORD-1:0] instruction,
    input  wire  [  UNITS-1:0] unit,  // that works on it; none for END and REPEAT
    input  wire                is_end,  // of the instruction
    input  wire                is_repeat,
    input  wire  [  UNITS-1:0] waits,
    input  wire  [PROGRAM-1:0] first,
    input  wire  [  COUNT-1:0] count,
    input  wire  [  UNITS-1:0] busy,
    output logic               start,
    output logic               moves,  // beside what starts: END and REPEAT
    output logic               last_repeat
);
  typedef enum logic [1:0] {
    WORDS,  // come from the stream
    WAITS,  // for the memory
    READY,  // there is an instruction
    ENDS  // what the stream has started works
  } state_t;
  state_t state;
  logic in_program;
  logic [HEAD-1:0] head;
  logic [PART-1:0] part;
  logic [COUNT-1:0] left;
  logic [PROGRAM-1:0] begins;
  assign in_ready = state == WORDS;
  assign instruction = {read_data[WORD-1:HEAD], in_program ? read_data[HEAD-1:0] : head};
  wire may_start = (busy & (is_end ? '1 : unit | waits)) == 0;
  assign moves = state == READY && may_start;
  assign start = moves && !is_end && !is_repeat;
  assign last_repeat = left == 1;
  wire part_ends = part == PART'(PARTS - 1);
  always_ff @(posedge clock) begin
    if (in_ready && in_valid) begin
      part <= part_ends ? '0 : part + 1'b1;
      if (32'(part) < HEAD / STREAM) head[part*STREAM+:STREAM] <= in_data;
    end
    if (moves) begin
      read_address <= is_repeat ? first : is_end ? begins : read_address + 1'b1;
      if (is_repeat) {begins, left} <= {first, count};
      else if (is_end) left <= left - 1'b1;
    end
    if (reset) begin
      state <= WORDS;
      in_program <= 0;
      part <= '0;
    end else begin
      case (state)
        WORDS: if (in_valid && part_ends) state <= READY;
        WAITS: state <= READY;
        READY:
        if (moves) begin
          state <= in_program ? (is_end && last_repeat ? WORDS : WAITS) : is_repeat ? WAITS : is_end ? WORDS : ENDS;
          if (is_repeat) in_program <= 1;
          else if (is_end && last_repeat) in_program <= 0;
        end
        ENDS: if (busy == 0) state <= WORDS;
        default: state <= WORDS;
      endcase
    end
  end
endmodule
`default_nettype wire
