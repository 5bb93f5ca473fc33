// Gives the tests' precompiled header a library to belong to.
