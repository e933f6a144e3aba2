# of: secrecy
# Not a check of the model, but a limit of the protocol: forward secrecy begins when k1 and k2
# are erased. Here they are lost with the signing keys.
# Expected: 1 false, 2 true.
s/phase 1; out(c, skS)/phase 1; out(c, (skS, k1, k2))/
