-- Shared opening of every script: the keys, the clock, and what the store remembers.
--
-- STATE    hash: seen          time of the last beat of anybody, ms
--                quiet_until   end of the quiet period, ms
--                version       of the membership; starts at the clock in us, so that it
--                              never repeats one from before a wipe
--                slots         the same, for ownership
-- MEMBERS  hash: id -> description, opaque here
-- BEATS    sorted set: id by the time of its last beat, ms
-- DEAD     sorted set: id by the time of its death, ms
--
-- Redis' own TIME is the only clock.

local STATE, MEMBERS, BEATS, DEAD = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local DAY_MS = 24 * 60 * 60 * 1000

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(now_us / 1000)

-- tostring() would write a number of this size as 1.7e+15.
local function whole(number)
  return string.format('%.0f', number)
end

local stored = redis.call('HMGET', STATE, 'seen', 'quiet_until', 'version', 'slots')
local seen, quiet_until = tonumber(stored[1] or ''), tonumber(stored[2] or '')
local version, slots = tonumber(stored[3] or ''), tonumber(stored[4] or '')
local is_empty = not (seen and quiet_until and version and slots)

-- Whether lives may have been extended of which the store knows nothing: it was wiped, it was
-- stopped, its clock jumped, or somebody meddled. Half a TTL, because a member that beat a second
-- before a pause of less than a whole one would already be older than a TTL after it.
local function has_gap(ttl)
  return is_empty or now < seen or now - seen > ttl / 2
    or redis.call('HLEN', MEMBERS) ~= redis.call('ZCARD', BEATS)
end

local function next_version()
  version = version + 1
  redis.call('HSET', STATE, 'version', whole(version))
end

-- End a life for good.
local function bury(id)
  redis.call('ZREM', BEATS, id)
  if redis.call('HDEL', MEMBERS, id) == 1 and not is_empty then
    next_version()
  end
  redis.call('ZADD', DEAD, whole(now), id)
  redis.call('PEXPIRE', DEAD, DAY_MS)
end
