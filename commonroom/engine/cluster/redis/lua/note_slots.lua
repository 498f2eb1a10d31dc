-- Ownership changed. An empty store has nothing to note: its first beat begins at a version nobody knows.

if not is_empty then
  redis.call('HSET', STATE, 'slots', whole(slots + 1))
end
return 1
