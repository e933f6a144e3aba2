# of: renewal
# Neither the cookie's code nor its share nor the transcript covers the number.
# Expected: 2 false: the attacker puts another number into an old Register.
s/(l_cookie, num, /(l_cookie, /
s/(l_share, num, /(l_share, /
s/H((l_hello, hello_c, hello_s, unbound))/H((l_hello, hello_c, (sealed, cn, sn, gy), unbound))/
s/(hello_c, hello_s), (identity, pC)/hello_c, (identity, pC)/
s/(hello_c, hello_s), box)/hello_c, box)/
