package example;

import java.time.Duration;
import java.util.Map;
import org.springframework.http.MediaType;
import org.springframework.http.client.SimpleClientHttpRequestFactory;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtException;
import org.springframework.util.LinkedMultiValueMap;
import org.springframework.web.client.RestClient;
import org.springframework.web.client.RestClientException;

/** Asks the broker about each access token (RFC 7662), without a cache: a cache would not see a sign-out. */
class NotRevoked implements OAuth2TokenValidator<Jwt> {
  private static final OAuth2TokenValidatorResult REVOKED =
      OAuth2TokenValidatorResult.failure(new OAuth2Error("invalid_token", "The token is revoked.", null));
  private final RestClient broker;

  NotRevoked(String issuer, String clientId, String clientSecret) {
    var requests = new SimpleClientHttpRequestFactory();
    requests.setConnectTimeout(Duration.ofSeconds(2));
    requests.setReadTimeout(Duration.ofSeconds(5));
    broker =
        RestClient.builder()
            .requestFactory(requests)
            .baseUrl(issuer)
            .defaultHeaders(headers -> headers.setBasicAuth(clientId, clientSecret))
            .build();
  }

  @Override
  public OAuth2TokenValidatorResult validate(Jwt token) {
    var form = new LinkedMultiValueMap<String, String>();
    form.add("token", token.getTokenValue());
    try {
      var said = broker.post().uri("/introspect").contentType(MediaType.APPLICATION_FORM_URLENCODED).body(form).retrieve().body(Map.class);
      return said != null && Boolean.TRUE.equals(said.get("active")) ? OAuth2TokenValidatorResult.success() : REVOKED;
    } catch (RestClientException unavailable) {
      // A failure of the broker is not the token's: Spring answers 500, and not 401, which would
      // send the user to sign in.
      throw new JwtException("The broker did not answer.", unavailable);
    }
  }
}
