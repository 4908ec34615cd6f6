def fn(input, headers):
    yield b"the beginning"
    raise ValueError("broken off on purpose")
