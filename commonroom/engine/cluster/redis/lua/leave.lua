-- End a life that is over by its own will. ARGV: id.

bury(ARGV[1])
return 1
