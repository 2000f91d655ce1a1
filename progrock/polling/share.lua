-- One worker's part of what a backend allows, in one atomic step.
--
-- KEYS  1 slots   hash: worker -> "held:wanted:expires"
--       2 rate    hash: tat (when the bucket is full again), at (the time of the last call)
--       3 hold    exists while the backend wants to be left alone
--       4 circuit what is known of the backend's failures, as JSON
-- ARGV  1 worker  2 requests under way  3 slots wanted  4 in_flight  5 lease, ms
--       6 turns wanted  7 turns given back  8 us between turns  9 us that the bucket holds
--      10 hold that this worker knows of, ms
-- Gives {slots, others want more (0/1), workers, turns, us until the first turn (may be negative),
--        hold in ms, circuit}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local me, using, wanted, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

-- 1. Slots: a lease of some for each worker; a worker that died loses its own when they expire.
local names, held, want = {}, {}, {}
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local h, w, expires = string.match(stored[i + 1], '^(%d+):(%d+):(%d+)$')
  if not h or tonumber(expires) <= now or tonumber(expires) > now + 60000000 then
    redis.call('HDEL', KEYS[1], stored[i])
  elseif stored[i] ~= me then
    names[#names + 1] = stored[i]
    held[stored[i]], want[stored[i]] = tonumber(h), tonumber(w)
  end
end
local free, contended = limit, 0
for _, name in ipairs(names) do
  free = free - held[name]
end
local granted = 0
if wanted > 0 then
  names[#names + 1] = me
  want[me] = wanted
  -- Max-min fair: who wants little gets it, the others share the rest alike. What cannot be
  -- divided goes round, so that with one slot and two workers each has it for half of the time.
  table.sort(names)
  local turn, place = math.floor(now / 500000), {}
  for i, name in ipairs(names) do
    place[name] = (i + turn) % #names
  end
  table.sort(names, function(a, b)
    if want[a] ~= want[b] then return want[a] < want[b] end
    return place[a] < place[b]
  end)
  local left, mine = limit, 0
  for i, name in ipairs(names) do
    local part = math.min(want[name], math.floor(left / (#names - i + 1)))
    left = left - part
    if name == me then
      mine = part
    elseif want[name] > held[name] then
      contended = 1
    end
  end
  -- Of what nobody wants, half: whoever comes next finds something free.
  mine = mine + math.ceil(left / 2)
  granted = math.max(math.min(mine, free), 0)
end
if wanted > 0 or using > 0 then
  -- A request that is under way keeps its slot, also beyond the part.
  local expires = string.format('%.0f', now + ARGV[5] * 1000)
  redis.call('HSET', KEYS[1], me, math.max(granted, using) .. ':' .. wanted .. ':' .. expires)
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
else
  redis.call('HDEL', KEYS[1], me)
end

-- 2. Turns: the generic cell rate algorithm (ITU-T I.371), so many at once.
local turns, step = tonumber(ARGV[6]), tonumber(ARGV[8])
local tat = tonumber(redis.call('HGET', KEYS[2], 'tat') or now)
local at = tonumber(redis.call('HGET', KEYS[2], 'at') or now)
if now < at then -- the clock was set back
  tat = tat - (at - now)
end
tat = math.max(now, tat - ARGV[7] * step)
local first = tat - ARGV[9] - now
tat = tat + turns * step
redis.call('HSET', KEYS[2], 'tat', string.format('%.0f', tat), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', (tat - now) / 1000 + 10000))

-- 3. The hold: the longest that anybody knows of.
local hold = math.max(redis.call('PTTL', KEYS[3]), 0)
if tonumber(ARGV[10]) > hold then
  hold = tonumber(ARGV[10])
  redis.call('SET', KEYS[3], '1', 'PX', hold)
end

return {granted, contended, math.max(#names, 1), turns, math.floor(first), hold,
        redis.call('GET', KEYS[4]) or ''}
