--@use keys clock rows writer changes headers removed streams log | counters check_types repair ttl_index expire_ttl
-- Append to several logs; each append is an operation of its own. ARGV: 1 epoch, 2 time, 3-6 limits,
-- then for each append: its number and place, predecessor, principal, count, requirements, frames.
if is_fenced() then return FENCED end
if expire_due() then return MORE end --@ttl
local wall, steady = read_clock(ARGV[2])
local limits = limits_at(3)
local before = tonumber(call('HGET', META, 'bytes') or 0)
call('ZCARD', IDLE) -- a key of another type stops the script here, not after the first write
call('ZCARD', EXPIRY) --@ttl
call('HLEN', EXPIRY_RECORDS) --@ttl
local touched = {} --@ttl
local held, added, dropped = before, 0, 0
local answers, records, at = {}, {}, 3 + LIMIT_COUNT
local final = {} -- numbers of this call whose answer is final

local function append_one(pair, predecessor, scope, count, requirements, frames)
  if not final[string.match(predecessor, '^%d*')] and not is_applied(predecessor) then return BEHIND end
  local row, log = find_log(KEYS[pair], scope), KEYS[pair + 1]
  if not row then return { 'MISSING' } end
  if row.ended then return { 'CLOSED', row.state } end
  local drop, no = check_append(log, row, count, limits, requirements, held)
  if no then return no end
  local plan = plan_index(log, row, drop, count, frames, ARGV[requirements + 3])
  if drop > 0 then
    dropped = dropped + drop
    held = held - drop_oldest(log, row, drop)
  end
  held = held + append_frames(log, row, count, frames, wall, steady, ARGV[requirements + 3])
  if plan then change_index(row, plan) end
  added = added + count
  if count > 0 then touched[row.key] = row end --@ttl
  return { 'OK', row.last }
end

for pair = PAIRS + 1, #KEYS, 2 do
  local count = tonumber(ARGV[at + 4])
  local frames = at + 5 + REQUIREMENT_COUNT
  -- An append that fails at its first write does not affect the others of this call.
  local ok, answer = pcall(append_one, pair, ARGV[at + 2], ARGV[at + 3], count, at + 5, frames)
  if not ok then answer = { err = (answer.err or answer) .. ', in script: append' } end
  if answer[1] == 'OK' then
    records[#records + 1] = ARGV[at + 1]
    records[#records + 1] = cmsgpack.pack({ ARGV[at], answer })
  end
  final[ARGV[at]] = ok and answer[1] ~= 'MOVED' and answer[1] ~= 'BEHIND'
  answers[#answers + 1] = answer
  at = frames + 2 * count
end
for key, row in pairs(touched) do schedule_expiry(key, wall, row.state, row.principal, row.count, row.bytes, row.indexed, row.removed) end --@ttl
if added > 0 then call('HINCRBY', META, 'added', added) end
if dropped > 0 then call('HINCRBY', META, 'dropped', dropped) end
if held ~= before then call('HSET', META, 'bytes', held) end
if #records > 0 then call('HSET', WRITER, unpack(records)) end
return answers
