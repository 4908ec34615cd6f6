;; FunLess's interface by hand: the input, a JSON value, comes back as {"hello":INPUT}.
(module
  (import "fl_imps" "__get_input_data" (func $get_input (param i32)))
  (import "fl_imps" "__insert_response" (func $respond (param i32 i32)))
  (import "fl_imps" "__insert_error" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\22hello\22:")
  (data (i32.const 16) "the input is longer than 32,000 bytes")
  (func (export "__invoke") (param $length i32) (result i32)
    (if (i32.gt_u (local.get $length) (i32.const 32000))
      (then
        (call $fail (i32.const 16) (i32.const 37))
        (return (i32.const 1))))
    ;; {"hello":  ←  right before the input, which goes to 1024
    (memory.copy (i32.const 1015) (i32.const 0) (i32.const 9))
    (call $get_input (i32.const 1024))
    (i32.store8 (i32.add (i32.const 1024) (local.get $length)) (i32.const 125)) ;; }
    (call $respond (i32.const 1015) (i32.add (local.get $length) (i32.const 10)))
    (i32.const 0)))
