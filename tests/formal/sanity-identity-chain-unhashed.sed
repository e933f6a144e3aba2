# of: identity
# Neither th1 nor the cookie covers the server's chain.
# Expected: 2 false: with a lost key the attacker shows a client that key, and the server registers
# the client under another one.
s/H((l_server, th0, H(cS)))/H((l_server, th0))/
s/, H((sealed, cn, sn, gy)), H(cS)))/, H((sealed, cn, sn, gy))))/
