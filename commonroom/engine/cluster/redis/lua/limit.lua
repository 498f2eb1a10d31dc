-- Take one of several limits, all or nothing: GCRA, as commonroom/limit/gcra.py says it.
--
-- KEYS: the mark, then the key of each limit, then for each the key to use instead where the mark stands.
--       A mark or key that is named '' is none.
-- ARGV: interval in us, burst, and longest wait in us (0: a refusal changes nothing) of each limit.
-- Returns wait in us (0: granted), 1 where the mark stands, and how far each key's TAT is ahead of now, in us.
--
-- A key holds its TAT in us of Redis' own TIME, and expires when that has passed.

local count = #ARGV / 3
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local familiar = KEYS[1] ~= '' and redis.call('EXISTS', KEYS[1]) == 1

local keys, aheads, waits, refuses = {}, {}, {}, false
for i = 1, count do
  local interval, burst, longest = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local instead = KEYS[1 + count + i]
  keys[i] = familiar and instead ~= '' and instead or KEYS[1 + i]
  local tat = tonumber(redis.call('GET', keys[i]) or '') or now
  local rest = (burst - 1) * interval
  -- Further ahead than this rate brings any: made by another rate, or before the clock was set back.
  aheads[i] = tat > now and math.min(tat - now, rest + (longest > 0 and longest or interval)) or 0
  waits[i] = aheads[i] - rest
  refuses = refuses or waits[i] > 0
end

local function keep(i)
  -- tostring() would write a number of this size as 1.7e+15.
  redis.call('SET', keys[i], string.format('%.0f', now + aheads[i]), 'PX', math.ceil(aheads[i] / 1000))
end

local wait = 0
for i = 1, count do
  local longest = tonumber(ARGV[3 * i])
  if not refuses then
    aheads[i] = aheads[i] + tonumber(ARGV[3 * i - 2])
    keep(i)
  elseif waits[i] > 0 and longest > 0 then
    local doubled = math.min(2 * waits[i], longest)
    aheads[i], waits[i] = aheads[i] + doubled - waits[i], doubled
    keep(i)
  end
  wait = refuses and math.max(wait, waits[i]) or 0
end

local answer = {wait, familiar and 1 or 0}
for i = 1, count do
  answer[2 + i] = aheads[i]
end
return answer
