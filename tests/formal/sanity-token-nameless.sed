# of: token
# The signature does not cover the client's name.
# Expected: 1 and 2 false: a token is shown as somebody else's.
s/, p, nC, token, terms, th3)))\./, p, token, terms, th3)))./
