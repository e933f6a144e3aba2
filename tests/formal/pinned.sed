# of: identity
# Pinned keys in place of certificates: a chain is a key, and whoever checks one looks for it
# among the keys that are pinned to the name that it expects. Sites pin keys of servers, servers
# those of sites: no role is pinned, so who pins a server's key at a server lets whoever has that
# key register under the server's name. The attacker pins any key, also those of others, to names
# of its own.
# Expected: as identity.
s/^const RClient: role\./fun pinned(pkey): bitstring [data].\ntable pinsS(name, pkey).\ntable pinsC(name, pkey).\n&/
s/let (=nS, =RServer, pkS: pkey) = checkcert(pkCA, cS) in/let pinned(pkS: pkey) = cS in get pinsS(=nS, =pkS) in/
s/let (=nC, =RClient, pkC: pkey) = checkcert(pkCA, cC) in/let pinned(pkC: pkey) = cC in get pinsC(=nC, =pkC) in/
s/let cS = cert(skCA, nS, RServer, pk(skS)) in/let cS = pinned(pk(skS)) in insert pinsS(nS, pk(skS));/
s/let cC = cert(skCA, nC, RClient, pk(skC)) in/let cC = pinned(pk(skC)) in insert pinsC(nC, pk(skC));/
s/event Evil(evil(n)); out(c, cert(skCA, evil(n), r, p))/event Evil(evil(n)); insert pinsS(evil(n), p); insert pinsC(evil(n), p)/
