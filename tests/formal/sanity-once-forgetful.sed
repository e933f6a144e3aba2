# of: once
# The server remembers no Register.
# Expected: 1 and 2 false: the attacker repeats a Register and a second session begins.
/^restriction/,/\.$/d
