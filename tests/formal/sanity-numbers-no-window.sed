# of: numbers
# A number is opened as often as it comes.
# Expected: 1 false: a message that is repeated counts again. 2 is true: a request has one reply.
/^(\* the window, at either end/,/^(\* a request has one reply/d
