-- How the store is laid out; the first one to open it decides. KEYS: 1 layout. ARGV: version, buckets.
redis.call('HSETNX', KEYS[1], 'version', ARGV[1])
redis.call('HSETNX', KEYS[1], 'buckets', ARGV[2])
return redis.call('HMGET', KEYS[1], 'version', 'buckets')
