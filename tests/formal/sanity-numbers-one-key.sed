# of: numbers
# Both directions have one key.
# Expected: 1 to 3 false: what an end sent comes back to it as the other's.
s/| Server(sid, kc2s, ks2c)/| Server(sid, kc2s, kc2s)/
s/( Client(sid, kc2s, ks2c)/( Client(sid, kc2s, kc2s)/
