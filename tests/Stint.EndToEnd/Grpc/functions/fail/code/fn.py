def fn(input, headers):
    raise ValueError("100 % Käse")
