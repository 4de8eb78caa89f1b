// Xerces of the JDK, streaming: parsed and validated. Usage: java XercesBench FOLDER SIZE MILLISECONDS

import java.io.ByteArrayInputStream;
import java.io.File;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.xml.XMLConstants;
import javax.xml.transform.stream.StreamSource;
import javax.xml.validation.SchemaFactory;
import javax.xml.validation.Validator;
import org.xml.sax.SAXException;

public class XercesBench {
    private static final com.sun.management.OperatingSystemMXBean SYSTEM =
        (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    public static void main(String[] words) throws Exception {
        Path folder = Path.of(words[0]);
        var schema = SchemaFactory.newInstance(XMLConstants.W3C_XML_SCHEMA_NS_URI)
            .newSchema(new File(folder.toFile(), "orders.xsd"));
        byte[] body = Files.readAllBytes(folder.resolve(words[1] + ".body.xml"));
        Validator validator = schema.newValidator();
        validate(validator, body);
        String wrong = new String(body, StandardCharsets.UTF_8).replace("<o:total>", "<o:total>x");
        try {
            validate(validator, wrong.getBytes(StandardCharsets.UTF_8));
            throw new IllegalStateException("it does not look");
        } catch (SAXException expected) {
            validator.reset();
        }
        double budget = Double.parseDouble(words[2]);
        // The compiler needs longer than a quarter to have done its work.
        run(validator, body, Math.max(budget, 3000));
        System.out.println("{\"validate\": " + run(validator, body, budget) + "}");
    }

    private static double run(Validator validator, byte[] body, double budget) throws Exception {
        long begin = SYSTEM.getProcessCpuTime();
        long times = 0;
        while (SYSTEM.getProcessCpuTime() - begin < budget * 1e6) {
            for (int n = 0; n < 5; n++) {
                validate(validator, body);
            }
            times += 5;
        }
        return (SYSTEM.getProcessCpuTime() - begin) / 1000.0 / times;
    }

    private static void validate(Validator validator, byte[] body) throws Exception {
        validator.validate(new StreamSource(new ByteArrayInputStream(body)));
    }
}
