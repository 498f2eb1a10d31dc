-- A mark stands from now on. ARGV: for how long, in ms.

redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
return 1
