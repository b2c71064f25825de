--@use keys clock rows writer check_types orders counters changes headers removed streams removal | ttl_index
-- Delete a session and its log. ARGV: 4 time, 5 principal.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
check_types()
check_orders(row.expires or row.ended)
check_beside(row, id_of(row.key))
remove_session(row, id_of(row.key), 'deleted', (read_clock(ARGV[4])))
return record({ 'OK', row.raw })
