# of: auth
# The client's proof covers its chain alone, not th2.
# Expected: 2 and 3 false: a proof from elsewhere registers the attacker as that client.
s/(l_cp, th2)/(l_cp, H(cC))/
