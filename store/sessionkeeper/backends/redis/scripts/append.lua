--@use keys clock rows writer changes log | counters check_types repair ttl_index expire_ttl
-- Appends to several logs, each an operation of its own. ARGV: 1 epoch, 2 now, 3-6 bounds, then of
-- each: its number and place, principal, count, terms, frames.
if fenced() then return FENCED end
if reap() then return MORE end --@ttl
local wall, steady = now(ARGV[2])
local bounds = bounds_at(3)
local before = tonumber(call('HGET', META, 'bytes') or 0)
call('ZCARD', IDLE) -- of another kind it stops the script here, not after the first log was written
call('ZCARD', DUE) --@ttl
call('HLEN', KEPT) --@ttl
local touched = {} --@ttl
local held, added, dropped = before, 0, 0
local answers, kept, at = {}, {}, 3 + BOUNDS
local final = {} -- numbers of this call that need not come again

local function operate(pair, before, scope, count, terms, frames)
  if not final[string.match(before, '^%d*')] and not follows(before) then return BEHIND end
  local row, log = find_log(KEYS[pair], scope), KEYS[pair + 1]
  if not row then return { 'MISSING' } end
  if row.ended then return { 'CLOSED', row.state } end
  local drop, no = room(log, row, count, bounds, terms, held)
  if no then return no end
  if drop > 0 then
    dropped = dropped + drop
    held = held - cut(log, row, drop)
  end
  held = held + append(log, row, count, frames, wall, steady)
  added = added + count
  if count > 0 then touched[row.key] = row end --@ttl
  return { 'OK', row.last }
end

for pair = PAIRS + 1, #KEYS, 2 do
  local count = tonumber(ARGV[at + 4])
  local frames = at + 5 + TERMS
  -- What cannot be done, at its first write, is nothing to the others of this call.
  local fine, answer = pcall(operate, pair, ARGV[at + 2], ARGV[at + 3], count, at + 5, frames)
  if not fine then answer = { err = (answer.err or answer) .. ', in script: append' } end
  if answer[1] == 'OK' then
    kept[#kept + 1] = ARGV[at + 1]
    kept[#kept + 1] = cmsgpack.pack({ ARGV[at], answer })
  end
  final[ARGV[at]] = fine and answer[1] ~= 'MOVED' and answer[1] ~= 'BEHIND'
  answers[#answers + 1] = answer
  at = frames + 2 * count
end
for key, row in pairs(touched) do keep(key, wall, row.state, row.principal, row.count, row.bytes) end --@ttl
if added > 0 then call('HINCRBY', META, 'added', added) end
if dropped > 0 then call('HINCRBY', META, 'dropped', dropped) end
if held ~= before then call('HSET', META, 'bytes', held) end
if #kept > 0 then call('HSET', WRITER, unpack(kept)) end
return answers
