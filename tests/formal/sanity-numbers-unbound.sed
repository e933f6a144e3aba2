# of: numbers
# The number of a message is not authenticated.
# Expected: all false: a message that is repeated under another number counts again.
s/^letfun header(.*/letfun header(sid: nonce, number: nonce) = (sid, first)./
