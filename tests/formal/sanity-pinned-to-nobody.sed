# of: identity
# As pinned, but a pinned key speaks for every name.
# Expected: 1 and 2 false: who is pinned itself passes for the server and for other sites.
s/^const RClient: role\./fun pinned(pkey): bitstring [data].\ntable pins(name, pkey).\n&/
s/let (=nS, =RServer, pkS: pkey) = checkcert(pkCA, cS) in/let pinned(pkS: pkey) = cS in get pins(somebody, =pkS) in/
s/let (=nC, =RClient, pkC: pkey) = checkcert(pkCA, cC) in/let pinned(pkC: pkey) = cC in get pins(somebody, =pkC) in/
s/let cS = cert(skCA, nS, RServer, pk(skS)) in/let cS = pinned(pk(skS)) in insert pins(nS, pk(skS));/
s/let cC = cert(skCA, nC, RClient, pk(skC)) in/let cC = pinned(pk(skC)) in insert pins(nC, pk(skC));/
s/event Evil(evil(n)); out(c, cert(skCA, evil(n), r, p))/event Evil(evil(n)); insert pins(evil(n), p)/
