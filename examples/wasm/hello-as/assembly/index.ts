// A FunLess function: __invoke gets the length of its input, and hands its answer, a JSON text, to __insert_response. Each call has a memory of its own.

@external("fl_imps", "__get_input_data")
declare function getInput(pointer: usize): void;

@external("fl_imps", "__insert_response")
declare function respond(pointer: usize, length: usize): void;

@external("fl_imps", "__insert_error")
declare function fail(pointer: usize, length: usize): void;

@external("fl_imps", "__console_log")
declare function consoleLog(pointer: usize, length: usize): void;

function log(text: string): void {
  const bytes = String.UTF8.encode(text);
  consoleLog(changetype<usize>(bytes), bytes.byteLength);
}

function quoted(text: string): string {
  return '"' + text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n") + '"';
}

export function __invoke(length: i32): i32 {
  const input = new ArrayBuffer(length);
  getInput(changetype<usize>(input));
  const name = String.UTF8.decode(input);
  if (name.length > 1000) {
    const problem = String.UTF8.encode("that is too long for a name");
    fail(changetype<usize>(problem), problem.byteLength);
    return 1;
  }
  log("greeting " + name);
  const answer = String.UTF8.encode(quoted("Hello, " + name + "!"));
  respond(changetype<usize>(answer), answer.byteLength);
  return 0;
}
