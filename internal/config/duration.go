package config

import "time"

// ParseDuration reads a duration as the configuration has it: 30s, 15m, 24h,
// 90d, 1d12h.
func ParseDuration(s string) (time.Duration, error) { return parseDuration(s) }
