# of: bearer
# The server remembers the bytes of a Register without the binding.
# Expected: 4 false: the attacker sends a Register that leaked on a connection of its own, and
# is given the reply, with the token and its signature. 3 is true all the same: the session
# counts on its own connection only.
s/= H((l_copy, register, binding(k)))\./= H((l_copy, register))./
