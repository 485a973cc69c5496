// An instance in Go: go-oidc signs users in and verifies logout tokens. api.go or guard.go checks the
// access tokens of other callers; guard.go judges the sessions too.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

type session struct {
	Sub   string `json:"sub"`
	Name  string `json:"name"`
	sid   string
	until time.Time
	// The claims of the ID token, by which guard serve judges the session.
	claims json.RawMessage
}

type instance struct {
	oauth    oauth2.Config
	idTokens *oidc.IDTokenVerifier
	secure   bool
	// The local listener of guard serve and its secret; empty without a guard.
	guardLocal, guardSecret string

	lock sync.Mutex
	// Sessions by id, on the server, so that a back-channel logout can end them. With several
	// processes, use a database.
	sessions map[string]session
}

func main() {
	issuer, base := os.Getenv("ISSUER"), os.Getenv("BASE_URL")
	clientID, clientSecret := os.Getenv("CLIENT_ID"), os.Getenv("CLIENT_SECRET")
	provider, err := oidc.NewProvider(context.Background(), issuer)
	if err != nil {
		log.Fatal(err)
	}
	app := &instance{
		oauth: oauth2.Config{
			ClientID: clientID, ClientSecret: clientSecret, Endpoint: provider.Endpoint(),
			RedirectURL: base + "/callback", Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
		},
		idTokens: provider.Verifier(&oidc.Config{ClientID: clientID, SupportedSigningAlgs: []string{oidc.RS256}}),
		secure:   strings.HasPrefix(base, "https:"),
		sessions: map[string]session{},

		guardLocal: os.Getenv("GUARD_LOCAL"), guardSecret: os.Getenv("GUARD_LOCAL_SECRET"),
	}
	resource := api{issuer, clientID, clientSecret, cmp.Or(os.Getenv("AUDIENCE"), "urn:case-manager:instance:"+clientID)}
	protected := resource.forUsers(func(w http.ResponseWriter, _ *http.Request, token accessToken) {
		answer(w, http.StatusOK, map[string]string{"sub": token.Subject})
	})
	if address := os.Getenv("GUARD"); address != "" {
		protected = guarded(address, func(w http.ResponseWriter, r *http.Request) {
			answer(w, http.StatusOK, map[string]string{"sub": r.Header.Get("X-Guard-Sub")})
		})
	}
	http.HandleFunc("GET /{$}", start)
	http.HandleFunc("GET /login", app.login)
	http.HandleFunc("GET /callback", app.callback)
	http.HandleFunc("GET /me", app.me)
	http.HandleFunc("POST /oidc/backchannel-logout", app.backchannelLogout)
	http.HandleFunc("GET /api/me", protected)
	address, err := url.Parse(base)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(address.Host, nil))
}

func start(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	io.WriteString(w, `<a href="/login">Sign in with Microsoft</a>`)
}

func (app *instance) login(w http.ResponseWriter, r *http.Request) {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	app.setCookie(w, "sign-in", strings.Join([]string{state, nonce, verifier}, "."), 600)
	http.Redirect(w, r, app.oauth.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusFound)
}

func (app *instance) callback(w http.ResponseWriter, r *http.Request) {
	began, err := r.Cookie("sign-in")
	if err != nil {
		http.Error(w, "This sign-in was not begun here. Begin at /login.", http.StatusBadRequest)
		return
	}
	parts := strings.SplitN(began.Value, ".", 3)
	// RFC 9207: the answer must come from the broker that was asked.
	if len(parts) != 3 || r.FormValue("state") != parts[0] || r.FormValue("iss") != os.Getenv("ISSUER") {
		http.Error(w, "This answer belongs to another sign-in. Begin at /login.", http.StatusBadRequest)
		return
	}
	token, err := app.oauth.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(parts[2]))
	if err != nil {
		log.Print(err)
		http.Error(w, "The sign-in failed. Begin again at /login.", http.StatusBadGateway)
		return
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := app.idTokens.Verify(r.Context(), raw)
	if err != nil || idToken.Nonce != parts[1] {
		http.Error(w, "The ID token is not valid.", http.StatusBadRequest)
		return
	}
	var user struct {
		Name string `json:"name"`
		Sid  string `json:"sid"`
	}
	var claims json.RawMessage
	if err := errors.Join(idToken.Claims(&user), idToken.Claims(&claims)); err != nil {
		http.Error(w, "The ID token cannot be read.", http.StatusBadRequest)
		return
	}
	id := rand.Text()
	app.lock.Lock()
	// The session ends with the access token. Then /login asks the broker again, which shows no page
	// while its own session lives.
	app.sessions[id] = session{Sub: idToken.Subject, Name: user.Name, sid: user.Sid, until: token.Expiry, claims: claims}
	app.lock.Unlock()
	app.setCookie(w, "session", id, 0)
	http.Redirect(w, r, "/me", http.StatusFound)
}

func (app *instance) me(w http.ResponseWriter, r *http.Request) {
	id, err := r.Cookie("session")
	if err != nil {
		answer(w, http.StatusUnauthorized, map[string]string{"error": "signed_out"})
		return
	}
	app.lock.Lock()
	kept, found := app.sessions[id.Value]
	app.lock.Unlock()
	if !found || time.Now().After(kept.until) {
		answer(w, http.StatusUnauthorized, map[string]string{"error": "signed_out"})
		return
	}
	status := http.StatusOK
	if app.guardLocal != "" {
		status = judge(r, app.guardLocal, app.guardSecret, kept.claims)
	}
	switch status {
	case http.StatusOK:
		answer(w, status, kept)
	case http.StatusUnauthorized:
		app.lock.Lock()
		delete(app.sessions, id.Value)
		app.lock.Unlock()
		answer(w, status, map[string]string{"error": "signed_out"})
	default:
		w.Header().Set("Retry-After", "1")
		answer(w, status, map[string]string{"error": "temporarily_unavailable"})
	}
}

func (app *instance) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	token, err := app.idTokens.VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		log.Print(err)
		if keysMissing(err) {
			answer(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"})
		} else {
			answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		}
		return
	}
	app.lock.Lock()
	defer app.lock.Unlock()
	for id, kept := range app.sessions {
		if kept.sid == token.SessionID || (token.SessionID == "" && kept.Sub == token.Subject) {
			delete(app.sessions, id)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// keysMissing tells keys that could not be read from an invalid token: after 503 the broker sends
// its logout token again, after 400 it does not.
func keysMissing(err error) bool {
	return strings.HasPrefix(err.Error(), "failed to verify signature: fetching keys")
}

func (app *instance) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: app.secure, SameSite: http.SameSiteLaxMode})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Print(err)
	}
}
