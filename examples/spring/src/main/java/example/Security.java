package example;

import static org.springframework.security.config.Customizer.withDefaults;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.web.SecurityFilterChain;

@Configuration
class Security {
  /** The API accepts access tokens and has no sessions. */
  @Bean
  @Order(1)
  SecurityFilterChain api(HttpSecurity http, JwtDecoder accessTokens) throws Exception {
    return http.securityMatcher("/api/**")
        .authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
        .oauth2ResourceServer(server -> server.jwt(jwt -> jwt.decoder(accessTokens)))
        .build();
  }

  /** The pages sign users in, and accept logout tokens at /logout/connect/back-channel/broker. */
  @Bean
  @Order(2)
  SecurityFilterChain pages(HttpSecurity http) throws Exception {
    return http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
        .oauth2Login(withDefaults())
        .oidcLogout(logout -> logout.backChannel(withDefaults()))
        .build();
  }

  /**
   * Decodes access tokens. Spring by default rejects the typ at+jwt of the broker's tokens (RFC
   * 9068 §2.1). The broker is asked about each token, because a signature does not show whether the
   * user has signed out.
   */
  @Bean
  JwtDecoder accessTokens(
      @Value("${ISSUER}") String issuer, @Value("${CLIENT_ID}") String clientId, @Value("${CLIENT_SECRET}") String clientSecret) {
    var decoder =
        NimbusJwtDecoder.withJwkSetUri(issuer + "/jwks").jwsAlgorithm(SignatureAlgorithm.ES256).validateType(false).build();
    var valid =
        JwtValidators.createAtJwtValidator()
            .issuer(issuer)
            // The default audience of this client's access tokens.
            .audience("urn:case-manager:instance:" + clientId)
            // The client that the token was issued to. For several clients, write your own
            // validator.
            .clientId(clientId)
            .build();
    decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(valid, new NotRevoked(issuer, clientId, clientSecret)));
    return decoder;
  }
}
