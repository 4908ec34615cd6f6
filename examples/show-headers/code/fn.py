def fn(input, headers):
    return headers
