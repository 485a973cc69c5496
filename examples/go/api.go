// An API that accepts access tokens of users. It asks the broker about each token at each request,
// so that it notices a sign-out at the next one. This file needs no other: copy it alone.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// api has the registration of the API at the broker. audience is the aud of its access tokens.
type api struct{ issuer, clientID, clientSecret, audience string }

// accessToken has claims of a token, as the broker answers them (RFC 7662 §2.2).
type accessToken struct {
	Active   bool     `json:"active"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Session  string   `json:"sid"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope"`
	Roles    []string `json:"roles"`
}

// The limit of one question to the broker. The API answers 503 when it is over.
var toBroker = &http.Client{Timeout: 2 * time.Second}

// forUsers passes a request on if its access token belongs to a user who is signed in.
func (a api) forUsers(next func(http.ResponseWriter, *http.Request, accessToken)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// The name of the scheme may be written in any case (RFC 9110 §11.1).
		scheme, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || sent == "" {
			reject(w, http.StatusUnauthorized, "Bearer")
			return
		}
		token, err := a.introspect(r, sent)
		switch {
		case err != nil:
			// A failure of the broker is not the token's: 401 would send the user to sign in.
			log.Print(err)
			w.Header().Set("Retry-After", "1")
			reject(w, http.StatusServiceUnavailable, "")
		// A client is also told about its own tokens for other APIs, and about its refresh tokens,
		// which have no audience.
		case !token.Active || token.Audience != a.audience:
			reject(w, http.StatusUnauthorized, `Bearer error="invalid_token"`)
		// A token of client_credentials has no session, because it has no user.
		case token.Session == "":
			reject(w, http.StatusForbidden, `Bearer error="insufficient_scope", scope="openid"`)
		default:
			next(w, r, token)
		}
	}
}

// introspect asks the broker whether a token is valid: signature, type, issuer, times, session.
// It keeps no answer, because a cache would not see a sign-out.
func (a api) introspect(r *http.Request, sent string) (token accessToken, err error) {
	form := strings.NewReader(url.Values{"token": {sent}}.Encode())
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, a.issuer+"/introspect", form)
	if err != nil {
		return token, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(a.clientID), url.QueryEscape(a.clientSecret))
	response, err := toBroker.Do(request)
	if err != nil {
		return token, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return token, fmt.Errorf("the broker answered %s to introspection", response.Status)
	}
	return token, json.NewDecoder(response.Body).Decode(&token)
}

func reject(w http.ResponseWriter, status int, challenge string) {
	if challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	http.Error(w, http.StatusText(status), status)
}
