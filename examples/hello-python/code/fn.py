def fn(input, headers):
    return f"Hello, {input or 'world'}, from Python!\n"
