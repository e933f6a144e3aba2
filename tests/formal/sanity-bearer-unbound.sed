# of: bearer
# Nothing of the connection is hashed into th0 or remembered, and a session counts on any
# connection (what `trusted_path` means on a path that is not).
# Expected: all false: a relay between two connections is registered as somebody else, learns
# the token and uses it.
s/^letfun binding(k: tls) = .*/letfun binding(k: tls) = unbound./
/if exporter(k0) = exporter(k) then/d
/(\* the leak \*)/d
