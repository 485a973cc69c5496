package example;

import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.core.OAuth2AuthenticatedPrincipal;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** An instance with Spring Boot. Security has the parts that are specific to the broker. */
@SpringBootApplication
@RestController
class Instance {
  public static void main(String[] args) {
    SpringApplication.run(Instance.class, args);
  }

  /** Answers a user with a session. */
  @GetMapping("/me")
  Map<String, String> me(@AuthenticationPrincipal OidcUser user) {
    return Map.of("sub", user.getSubject(), "name", user.getFullName());
  }

  /** Answers a caller with an access token. */
  @GetMapping("/api/me")
  Map<String, String> caller(@AuthenticationPrincipal OAuth2AuthenticatedPrincipal user) {
    return Map.of("sub", user.getName());
  }
}
