# of: instances
# A newer session ends the one before although its client has proved nothing.
# Expected: 1 and 2 false: who has a site's public certificate ends its sessions.
/if checksign(pkC, claim(nC, inst, cC, th1), pC) then/d
