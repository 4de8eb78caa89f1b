// npm `soap` as a caller that proves itself by WS-Security. Usage: node_secure.js WSDL digest|text|signed|both KEY.pem CERT.pem
// Adds up three numbers and prints the sum; exit code 1 and the fault when that fails. Its signatures are xml-crypto's.

const fs = require('fs');
const path = require('path');

const soap = require(path.join(__dirname, '../../../.peers/node/node_modules', 'soap'));

const [wsdl, how, key, cert] = process.argv.slice(2);

const user = (kind) =>
  new soap.WSSecurity('alice', 'open sesame', { passwordType: kind, hasNonce: true, hasTokenCreated: true, hasTimeStamp: false });
const signed = (options) =>
  new soap.WSSecurityCert(fs.readFileSync(key), fs.readFileSync(cert, 'utf8'), '', { hasTimeStamp: true, ...options });

const proofs = {
  digest: () => user('PasswordDigest'),
  text: () => user('PasswordText'),
  signed: () => signed({}),
  wsu: () => signed({ signerOptions: { idMode: 'wssecurity' }, signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256' }),
  both: () => new soap.WSSecurityPlusCert(user('PasswordDigest'), signed({})),
};

async function main() {
  const client = await soap.createClientAsync(wsdl);
  client.setSecurity(proofs[how]());
  try {
    const [sum] = await client.AddUpAsync({ value: [1, 2, 39] });
    console.log(String(sum.sum));
  } catch (problem) {
    console.log(String(problem.message || problem).slice(0, 600));
    process.exitCode = 1;
  }
}

main();
