// Middleware and a check of sessions for an application whose guard serve runs on this machine
// (docs/guard-serve.md). This file needs no other: copy it alone.
package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"
)

var toGuard = &http.Client{Timeout: 2 * time.Second}

// guarded asks guard serve at its check listener whether a request may pass, as a proxy does. The
// next handler finds the user in the identity headers: X-Guard-Sub, X-Guard-Roles and so on.
func guarded(address string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		check, err := http.NewRequestWithContext(r.Context(), http.MethodGet, address, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		check.Header.Set("X-Forwarded-Method", r.Method)
		check.Header.Set("X-Forwarded-Host", r.Host)
		// The path as it was sent: guard serve rejects one that two programs could read differently.
		check.Header.Set("X-Forwarded-Uri", r.RequestURI)
		check.Header["Authorization"] = r.Header["Authorization"]
		// The proof of a token that is bound to a key (RFC 9449).
		check.Header["Dpop"] = r.Header["Dpop"]
		answer, err := toGuard.Do(check)
		if err != nil {
			http.Error(w, "The guard did not answer.", http.StatusServiceUnavailable)
			return
		}
		defer answer.Body.Close()
		switch answer.StatusCode {
		case http.StatusOK:
			// The answer has every identity header, so none that the client sent is left.
			for name, values := range answer.Header {
				if strings.HasPrefix(name, "X-Guard-") {
					r.Header[name] = values
				}
			}
			next(w, r)
		case http.StatusUnauthorized, http.StatusForbidden:
			for _, name := range []string{"Content-Type", "WWW-Authenticate"} {
				w.Header()[http.CanonicalHeaderKey(name)] = answer.Header.Values(name)
			}
			w.WriteHeader(answer.StatusCode)
			io.Copy(w, answer.Body)
		default:
			http.Error(w, "The guard does not know what is revoked.", http.StatusServiceUnavailable)
		}
	}
}

// judge asks guard serve at its local listener about the session that an ID token with these claims
// opened. It returns 200 if the session is live, 401 if it has ended, and 503 if the answer is not
// known now.
func judge(r *http.Request, address, secret string, claims []byte) int {
	question, err := http.NewRequestWithContext(r.Context(), http.MethodPost, address+"/session", bytes.NewReader(claims))
	if err != nil {
		return http.StatusServiceUnavailable
	}
	question.Header.Set("Authorization", "Bearer "+secret)
	answer, err := toGuard.Do(question)
	if err != nil {
		return http.StatusServiceUnavailable
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK, http.StatusUnauthorized:
		return answer.StatusCode
	default:
		return http.StatusServiceUnavailable
	}
}
