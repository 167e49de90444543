package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// resign signs a path anew when the recorded signature was right for the recorded path, in the same form; a wrong
// signature stays as it is.
func resign(header, method, recorded, path string) string {
	raw, err := base64.StdEncoding.DecodeString(header)
	key, sum, ok := strings.Cut(string(raw), ":")
	if err != nil || !ok || recorded == path {
		return header
	}
	recorded, path = strings.TrimPrefix(recorded, apiBase), strings.TrimPrefix(path, apiBase)
	forms := []func([]byte) string{
		hex.EncodeToString,
		func(b []byte) string { return string(b) },
		func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
	}
	for _, form := range forms {
		if sum == form(hmacSum(method+" "+recorded)) {
			return base64.StdEncoding.EncodeToString([]byte(key + ":" + form(hmacSum(method+" "+path))))
		}
	}
	return header
}

func hmacSum(message string) []byte {
	mac := hmac.New(sha256.New, []byte(HMACSecret))
	mac.Write([]byte(message))
	return mac.Sum(nil)
}
