--@use keys clock rows changes log
-- A session, if nothing but a change can still be wrong with an append to its log. ARGV: 1 principal,
-- 2 count, 3-6 bounds, 7-9 terms.
local row = find(KEYS[9], ARGV[1])
if not row then return { 'MISSING' } end
if row.ended then return { 'CLOSED', row.state } end
local held = tonumber(call('HGET', META, 'bytes') or 0)
local _, no = room(KEYS[10], row, tonumber(ARGV[2]), bounds_at(3), 7, held)
return no or { 'OK', row.raw }
