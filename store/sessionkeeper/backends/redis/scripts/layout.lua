-- How the store is laid out; the first one to open it decides. KEYS: 1 layout. ARGV: version, buckets,
-- milliseconds of the ttl or ''.
local new = redis.call('HSETNX', KEYS[1], 'version', ARGV[1]) == 1
redis.call('HSETNX', KEYS[1], 'buckets', ARGV[2])
if new and ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'ttl', ARGV[3]) end
return redis.call('HMGET', KEYS[1], 'version', 'buckets', 'ttl')
