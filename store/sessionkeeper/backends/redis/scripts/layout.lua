-- Store the layout of a new store, or read that of an existing one. KEYS: 1 layout. ARGV: version,
-- buckets, milliseconds of the ttl or ''. A full server allows the read.
local FIELDS = { 'version', 'buckets', 'ttl' }
local found = redis.call('HMGET', KEYS[1], unpack(FIELDS))
if found[1] and found[2] then return found end
local new = redis.call('HSETNX', KEYS[1], 'version', ARGV[1]) == 1
redis.call('HSETNX', KEYS[1], 'buckets', ARGV[2])
if new and ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'ttl', ARGV[3]) end
return redis.call('HMGET', KEYS[1], unpack(FIELDS))
