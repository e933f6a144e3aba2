# of: secrecy
# The server's proof covers its chain alone, not th1.
# Expected: 2 false: the attacker learns the names of sites.
s/= (l_sp, th1)\./= (l_sp, H(cS))./
