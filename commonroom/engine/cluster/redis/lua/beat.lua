-- Extend a life, end the expired ones, say who lives.
--
-- ARGV: ttl in ms, id, description, the membership version the caller knows.
-- Returns JSON; `members` is null where the caller's version is right.

local ttl, id, description, known = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]

-- Nobody is taken for dead until everybody had two TTLs to be heard of.
local function begin_quiet_period()
  if is_empty then
    redis.call('DEL', MEMBERS)
    version, slots = now_us, now_us
    is_empty = false
  end
  redis.call('DEL', BEATS)
  for _, member in ipairs(redis.call('HKEYS', MEMBERS)) do
    redis.call('ZADD', BEATS, whole(now), member)
  end
  quiet_until = now + 2 * ttl
  redis.call('HSET', STATE, 'quiet_until', whole(quiet_until), 'slots', whole(slots))
  next_version()
end

local function extend()
  redis.call('ZADD', BEATS, whole(now), id)
  if redis.call('HGET', MEMBERS, id) ~= description then
    redis.call('HSET', MEMBERS, id, description)
    next_version()
  end
end

if has_gap(ttl) then
  begin_quiet_period()
end
redis.call('HSET', STATE, 'seen', whole(now))
redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', whole(now - DAY_MS))

local expelled = redis.call('ZSCORE', DEAD, id) ~= false
if not expelled then
  extend()
end

local quiet = now < quiet_until
if not quiet then
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', BEATS, '-inf', '(' .. whole(now - ttl))) do
    bury(member)
  end
end

local members = 'null'
if whole(version) ~= known then
  members = '[' .. table.concat(redis.call('HVALS', MEMBERS), ',') .. ']'
end
return string.format('{"version":%s,"quiet":%s,"expelled":%s,"slots_version":%s,"members":%s}',
  whole(version), tostring(quiet), tostring(expelled), whole(slots), members)
