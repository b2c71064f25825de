--@use keys now rows writer tally news log
-- ARGV: 4 now, 5 principal, 6 count, 7-13 limits, then the frames.
if fenced() then return FENCED end
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
if row.ended then return { 'CLOSED', row.state } end
local count = tonumber(ARGV[6])
local drop, no = room(KEYS[10], row, count, 7)
if no then return no end
local wall, steady = now(ARGV[4])
if drop > 0 then
  add('dropped', drop)
  add('bytes', -cut(KEYS[10], row, drop))
end
return done({ 'OK', append(KEYS[10], row, count, 14, wall, steady) })
