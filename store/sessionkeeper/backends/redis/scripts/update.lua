--@use keys clock rows writer check_types counters changes change | ttl_index
-- ARGV: 4 now, 5 principal, 6 most metadata, then for each session what it is to be. All or none.
if fenced() then return FENCED end
if not follows(ARGV[#ARGV]) then return BEHIND end
local most = tonumber(ARGV[6])
local rows, news, deep = {}, {}, false
for i = 1, #KEYS - PAIRS do
  local at = 7 + (i - 1) * WANTED
  local row = find(KEYS[PAIRS + i], ARGV[5])
  if not row then return { 'MISSING', i } end
  rows[i], news[i] = row, wanted(at)
  -- Else nothing but its hash, META and IDLE is written to.
  deep = deep or row.state ~= news[i].state or row.principal ~= news[i].principal
  local no = refusal(row, news[i], most)
  if no then
    no[#no + 1] = i
    return no
  end
end
if deep then sound() else call('ZCARD', IDLE) end
call('ZCARD', DUE) --@ttl
call('HLEN', KEPT) --@ttl
local wall, steady = now(ARGV[4])
local answer = { 'OK' }
for i, row in ipairs(rows) do
  change(row, ARGV[7 + (i - 1) * WANTED], news[i], wall, steady)
  answer[#answer + 1] = row.state
  answer[#answer + 1] = call('HMGET', row.key, unpack(FIELDS))
  keep_as_is(row.key, wall) --@ttl
end
return done(answer)
