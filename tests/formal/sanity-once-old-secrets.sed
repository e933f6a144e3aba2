# of: once
# A server that starts again has its old secrets.
# Expected: 1 and 2 false: a Register from before makes a second session.
s/^      insert servers(nS);/      new k1: key; new k2: key; insert servers(nS);/
s/^      ! new k1: key; new k2: key; new life/      ! new life/
