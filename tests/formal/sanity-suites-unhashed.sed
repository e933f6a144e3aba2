# of: suites
# The list of suites is not hashed into th0.
# Expected: 1 and 2 false: the attacker strikes sealed off the list, and two parties that both
# enable it end in bearer.
s/= (suites, p, unbound, cn, gx)\./= (p, unbound, cn, gx)./
